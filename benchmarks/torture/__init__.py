"""lrfind under faults: kills at random moments, environments and trainings with faults.

    python -m torture [kills=400] [environment=60] [training=150]

Each part saves its outcomes in a JSON file beside this one as it goes, and goes on where it stopped.
"""
