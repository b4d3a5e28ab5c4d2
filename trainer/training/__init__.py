"""One run of training: the step, the losses, the optimiser, and several processes as one."""
