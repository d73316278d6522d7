"""Run a learner's function where it can do no harm, and write down what happened.

============ =======================================================================
`process`    starts a process for one function, with limits, and reads what it says
`child`      what runs in that process
`guard`      what an answer may not do there
`calls`      one call, and all that is to be known of it
`packing`    sends a function there
`encoding`   sends results back
`here`       runs a function in this process, if it cannot be sent
============ =======================================================================
"""
