"""What a table is, the two verbs that make tables, and all SQL: the ground of the other two rooms.

`python -m queries audit|check|views` asks questions of a build.
"""
