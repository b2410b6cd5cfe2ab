"""The sub-commands of the command line, one small file each: its arguments, and what it does with them."""
