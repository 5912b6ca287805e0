"""What serves one chapter: a module for each notebook that needs one, named after it.

A notebook imports its module as ``chapter``. A drawing keeps to the rules of `lenet_course.plots`.
A function ``check_…`` takes the reader's solution of an exercise and says which case is wrong, as
`lenet_course.checks.run_cases` does.
"""
