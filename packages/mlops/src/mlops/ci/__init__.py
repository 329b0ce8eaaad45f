"""What a CI system wants to be told in its own way: outputs, summaries, annotations, masks, groups.

Only this package knows which system runs us. The rest returns results and raises errors; rendering.py hands them here.
"""
