"""The Python interface: one file for each command, and what the commands share. The command line calls it too."""
