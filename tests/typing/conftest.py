"""What is full of mistakes is read by type checkers alone; nothing imports it."""

collect_ignore = ["mistakes.py"]
