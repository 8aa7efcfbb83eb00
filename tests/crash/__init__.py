"""Kill -9 in real processes: runs go on in a new one, and no effect happens twice.

`worker.py` runs agents in forked children, `driver.py` kills them, resumes the runs as a person
would and checks the claims, `world.py` is the world outside: a file that no process can roll back.
"""
