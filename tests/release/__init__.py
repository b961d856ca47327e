"""What is handed out, looked at from outside: the wheel. The slow half is `python -m tests.release`."""
