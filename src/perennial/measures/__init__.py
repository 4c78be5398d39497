"""What is measured. One file per measure, found by its name in an experiment's `measures`.

A measure's file exports

    UNITS, DESCRIPTION, SOURCE     how the numbers are to be read, and where the definition comes from
    AXES                           axes after the problem's own (task or example): (), ("layer",) or ("epoch",).
                                   Without any, all but internals are means over `every` tasks, of every task;
                                   otherwise they are taken of every `every`-th task
    KIND                           "performance": each task's performance before each update;
                                   "internals": weights and activations before the task is learnt, a list of
                                   [b, h] by layer; each place of a convolution's channel is an example;
                                   "policy": the same of a policy in an environment, before an update;
                                   "test": outputs on the task's test examples, after the last pass over the task,
                                   or with the axis epoch after each;
                                   "passes": the performance, pass by pass;
                                   "train": outputs on all training examples, in a course of updates;
                                   "weights": all parameters, in a course of updates;
                                   "data": what the run meets, as its problem's sequence;
                                   "transfer": test outputs on a second data set, a series for each case;
                                   "masks": kept weights of the first layer, a series for each ticket;
                                   "outer": what an inner training met, before one outer update
    measure(...)                   performance: [r, steps] -> [r];  internals, policy: (weights, features) of one run;
                                   test: (outputs [b, o], targets [b]) of one run -> a number;
                                   passes: [r, epoch, step] -> [r, epoch];  train: as test;
                                   weights: {name: array} of one run -> a number;
                                   transfer: as test;  masks: ([h, i], neighbours, [h, i]) -> a number;
                                   outer: {"losses": [update], "step_size": []} of one run -> a number;
                                   data: {name: array} of one run -> a number
"""
