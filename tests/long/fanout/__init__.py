"""What a delivered message costs, and how late it comes: ours beside four other servers, in one run."""
