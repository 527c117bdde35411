"""What turns sound or text into features; one file each."""
