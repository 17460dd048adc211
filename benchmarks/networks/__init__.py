"""One file for each framework, with every architecture in its natural form and the first weights put into it.

These files import their framework, so contenders import them when a workload is built.
"""
