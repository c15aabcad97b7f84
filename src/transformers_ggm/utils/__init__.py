"""What has nothing to do with hashtags: files, names, plots, word splitting, commits to the Hub."""
