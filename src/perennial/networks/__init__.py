"""Shapes and initial weights. One file per network, found by its name.

A network's file exports `Settings` and

    Network(settings, inputs, outputs, shape=None)    shape: of an image, where the inputs are one

with `layers`, of which the last, the head, is linear and the others are hidden; `names` of the weights, among them
`weight_l` and `bias_l` [r, o] for each layer l; `bounds`, of each layer's initial weights; `init`, `forward` and
`features`, where every hidden layer's activations are [r, b, h p]: h units, each at p places of the image (1 where
there is no image). An algorithm that deals with single units need not know what a layer is like. It takes

    incoming(arrays, layer)      [r, h, i] the weights of each unit, of all that it receives
    outgoing(arrays, layer)      [r, h, p, o, ...] those that the next layer has for each unit, apart for the places
                                 that it tells apart, or p = 1
    by_unit(layer, features)     [r, b, h, p]

The first two are views of any arrays shaped like the weights: what is written there is written to the weights.
"""
