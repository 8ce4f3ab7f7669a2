"""Inference Lab: what the lessons, the graders and `./lab` import.

Folders stand on floors; a module imports only from its own folder and from floors beneath it
(`tests/test_floors.py` holds this):

    4  cli, course, grade, bench     the verbs of ./lab and what they call
    3  serve                         services a lesson starts
    2  models, components            the models; real servers and tools as processes
    1  measure, machine, show        numbers, the machine, pictures
    0  errors, files, scale          used by all
"""
