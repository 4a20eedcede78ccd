"""A page of HTML that shows what the cells of a model do: one file that needs no network and no other file."""
