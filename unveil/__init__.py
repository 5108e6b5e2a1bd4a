"""unveil: teach a medical vision-language model to point at what is abnormal and to name it.

Research software. Not a medical device.
"""

__version__ = "0.1.0"
