"""Take what a list names out of every file of a workspace, and keep it out.

`find` turns the list into pairs, `work` and `versions` remove them, `verify` searches for what is
left, and `command` is the order of these steps.
"""
