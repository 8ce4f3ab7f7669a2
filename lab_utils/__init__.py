"""Inference Lab: what the lessons, the graders and `./lab` import.

Folders stand on floors; a module imports only from its own folder and from floors beneath it
(`tests/test_floors.py` holds this):

    6  cli                           the verbs of ./lab
    5  bench                         this project itself, measured
    4  course, grade                 building and running the course; marks
    3  serve                         services a lesson starts
    2  models, components            the models; real servers and tools as processes
    1  measure, machine, show        numbers, the machine, pictures
    0  errors, files, scale          used by all
"""
