"""How tinycnn is measured beside other libraries: every contestant in a process of its own, in turns.

============== ========================================================================================
`works`        what is measured, by name
`inputs`       the weights and batches of a work, the same for all contestants; its operation count
`contestants`  who is measured, and the environment of each one's process
`on_*`         a work as each library's users write it
`worker`       the process of a contestant; `process` starts it and asks it
`rounds`       turns A B A B: results compared, times, peak memory
`startup`      seconds from process start to 98 % on the embedded digits
`summary`      medians, quartiles, ratios
`report`       the table on the screen and the JSON file; `tables` makes Markdown of such files
`peak`         what the processor can do at most
============== ========================================================================================
"""
