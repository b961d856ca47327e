"""What takes too long for every run: each file here is a command of its own."""
