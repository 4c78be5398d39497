"""What may happen between the pieces of a course of tasks or epochs, one file each: procedures call what their settings
ask for."""
