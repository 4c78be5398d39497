"""Shapes and initial weights. One file per network, found by its name.

A network's file exports `Settings` and `Network(settings, inputs, outputs, shape=None)`, `shape` being that of an
image where the inputs are one. A network holds no weights. It has

    layers         their number; the last one, the head, is linear, the others are hidden
    names          of the weights [r, ...], among them `weight_l` and `bias_l` [r, o] of each layer l
    bounds         of each layer's initial weights
    stackable      True if with one example a step a run's bits do not depend on its place in a stack of runs
    init, forward, features

A hidden layer's activations are [r, b, h p]: h units, each at p places of the image (1 where there is none). An
algorithm that deals with single units need not know what a layer is like. For it a network has

    incoming(arrays, layer)      [r, h, i, ...] the weights of all that each unit receives
    outgoing(arrays, layer)      [r, h, p, o, ...] the weights that the next layer has for each unit, apart for places
                                 that it tells apart; p = 1 where it does not
    by_unit(layer, features)     [r, b, h, p] activations, of tensors or arrays

The first two are views of any arrays shaped like the weights: what is written there is written to the weights.
"""
