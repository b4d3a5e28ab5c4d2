"""The benchmark of scripts without spaces: names planted into running text, and speed."""
