"""How the data set torcs2camvid is made: rendered streets, and CamVid as its target."""
