"""Can all of it run on this one machine?"""
