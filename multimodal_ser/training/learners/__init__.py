"""What is trained on features; one file each."""
