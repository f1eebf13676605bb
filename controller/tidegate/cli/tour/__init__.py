"""The guided tour behind `tidegate demo`: a fresh repository, real traffic, five chapters, and a table of what was measured."""
