"""Which layers of a model stay whole when it is spread over devices or processes."""


class UnsplitLayersMixin:
    """
    Leaves in `_no_split_modules` what a model really has. transformers collects there the layers of all its backbones
    as their families name them, of a tower also those of its other half, and accelerate looks for every one of them.
    """

    def post_init(self):
        """As in transformers."""
        super().post_init()
        self._no_split_modules &= {type(module).__name__ for module in self.modules()}


__all__ = ["UnsplitLayersMixin"]
