"""Data sets: readers of official layouts, pictures, groups, splits, drop reports and cards."""
