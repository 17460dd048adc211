"""One file for each way to train a workload; each has ``LABEL`` and ``build(workload) -> step``.

``step()`` runs forward, backward and Adam on the batch and returns the loss before the update, still in the
framework's own form: reading it is not part of a step.
"""
