"""Whatever holds images, as one `ImageSet`."""

# What is read, for help and messages; `table` has one reader for each.
ACCEPTED = (
    "a folder of images", "a picture", ".npy", ".npz", ".parquet", ".tar", ".csv",
    "a saved datasets.Dataset", "- (paths on standard input)",
)  # fmt: skip
