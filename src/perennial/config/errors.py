"""One line for each mistake in a config file: file, key, given value, allowed values, nearest spelling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from perennial import registry
from perennial.errors import UserError

Model = TypeVar("Model", bound=BaseModel)

LONGEST = 60  # characters of a given value that are repeated
TYPES = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false"}
TYPES |= {"object": "a mapping", "array": "a list"}


class ConfigError(UserError, ValueError):
    """A config that cannot be used. The message has one line for each mistake."""


def under(path: str) -> Callable[[str], str]:
    """Where the keys of a mapping stand that itself stands at `path`."""
    return lambda key: ".".join(part for part in (path, key) if part)


class Mistakes:
    """Collects the mistakes of all files, so that all are reported at once."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._lines: dict[str, None] = {}  # an ordered set: a shared mistake is met once for each variant

    def of(self, file: str) -> Mistakes:
        """The same collection, for mistakes of another file."""
        other = Mistakes(file)
        other._lines = self._lines
        return other

    def add(self, key: str, text: str) -> None:
        """Note that something is wrong at a dotted key."""
        self._lines[f"{self.file}: {key}: {text}" if key else f"{self.file}: {text}"] = None

    def raise_if_any(self) -> None:
        """Raises:
        ConfigError: when something was noted.
        """
        if self._lines:
            raise ConfigError("\n".join(self._lines))

    def validate(self, model: type[Model], data: Any, where: Callable[[str], str]) -> Model | None:
        """The validated model, or None after noting what is wrong.

        Args:
            where: the full dotted key for a key of `data` (for "" the key of `data` itself).
        """
        if not isinstance(data, Mapping):
            self.add(where(""), f"{shown(data)} is not allowed (must be a mapping)")
            return None
        try:
            return model.model_validate(dict(data))
        except ValidationError as error:
            self._note(model, error, where)
            return None

    def unknown(self, key: str, given: Any, allowed: list[str]) -> None:
        """Note that a name is not one of those allowed."""
        listed = ", ".join(allowed) or "none"
        hint = registry.nearest(str(given), allowed)
        self.add(key, f"{shown(given)} is not known (allowed: {listed}){hint}")

    def _note(self, model: type[BaseModel], error: ValidationError, where: Callable[[str], str]) -> None:
        details = error.errors(include_url=False)
        allowed = list(model.model_fields)
        unknown = [str(d["loc"][0]) for d in details if d["type"] == "extra_forbidden"]
        meant = {registry.nearest(key, allowed) for key in unknown}
        for detail in details:
            key = str(detail["loc"][0]) if detail["loc"] else ""
            path = where(key) + "".join(map(_deeper, detail["loc"][1:]))
            if detail["type"] == "extra_forbidden":
                self.add(path, f"unknown key (allowed: {', '.join(allowed)}){registry.nearest(key, allowed)}")
            elif detail["type"] == "missing":
                if f" (did you mean '{key}'?)" not in meant:  # the misspelt key is reported already
                    self.add(path, f"is missing (must be {must_be(model, key)})")
            elif detail["type"] == "value_error":
                self.add(path, detail["msg"].removeprefix("Value error, "))
            else:
                self.add(path, _not_allowed(model, key, detail["input"]))


def _deeper(part: str | int) -> str:
    return f"[{part}]" if isinstance(part, int) else f".{part}"


def _not_allowed(model: type[BaseModel], key: str, given: Any) -> str:
    values = [str(value) for value in _field_schema(model, key).get("enum", [])]
    hint = registry.nearest(str(given), values) if isinstance(given, str) else ""
    return f"{shown(given)} is not allowed (must be {must_be(model, key)}){hint}"


def shown(value: Any) -> str:
    """A given value as it is repeated in a message."""
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def must_be(model: type[BaseModel], key: str) -> str:
    """What a field allows, in words: `a number in [0, 1]`, `one of sgd, adam`."""
    return _words(_field_schema(model, key))


def _field_schema(model: type[BaseModel], key: str) -> dict[str, Any]:
    return model.model_json_schema().get("properties", {}).get(key, {})


def _words(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(_words(option) for option in schema["anyOf"])
    kind = str(schema.get("type", ""))
    text = TYPES.get(kind, "nothing" if kind == "null" else "a value")
    if kind == "array" and "items" in schema:
        text += f", each member {_words(schema['items'])}" if schema["items"] else ""
    return text + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    """` in [0, 1)`, ` >= 1` or nothing."""
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    has_low, has_high = low is not None or above is not None, high is not None or below is not None
    start = f"[{low:g}" if low is not None else f"({above:g}" if above is not None else ""
    end = f"{high:g}]" if high is not None else f"{below:g})" if below is not None else ""
    if has_low and has_high:
        return f" in {start}, {end}"
    if has_low:
        return f" >= {low:g}" if low is not None else f" > {above:g}"
    if has_high:
        return f" <= {high:g}" if high is not None else f" < {below:g}"
    return ""
