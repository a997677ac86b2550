"""Bronze as a whole: copies, moving into a lake, keeping a lake in order."""
