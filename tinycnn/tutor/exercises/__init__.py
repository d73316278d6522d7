"""The exercises, one family a file; `tinycnn.tutor.catalogue` knows them all."""
