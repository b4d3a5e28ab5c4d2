"""What a build holds, for people: the counts on the terminal and report.html."""
