"""The page for operators: one document, made of the files in this folder."""
