"""What is not shipped: the speed benchmark, and how torcs2camvid is made."""
