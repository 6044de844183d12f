import pytest

from gan_probe.critics.boundary import MAX_TOLD, foreign_code, told
from gan_probe.errors import ConfigError, GanProbeError, InputError


@pytest.mark.parametrize("error", [AssertionError(), KeyError(3), RuntimeError("a\n b."), OSError(2, "gone")])
def test_any_exception_becomes_a_sentence_that_keeps_its_cause(error: Exception) -> None:
    sentence = r"^the network fails: it raised [^\n]*[^.]\. Look at it\.$"
    with pytest.raises(InputError, match=sentence) as caught, foreign_code("the network fails", advice="Look at it."):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [ConfigError("ours"), SystemExit(2), KeyboardInterrupt(), MemoryError()])
def test_our_own_errors_and_those_that_end_the_program_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, foreign_code("the network fails"):
        raise error
    assert caught.value is error
    assert not isinstance(error, InputError)


def test_it_is_a_decorator_too_and_long_messages_are_cut() -> None:
    @foreign_code("the network fails")
    def fails() -> None:
        raise ValueError("x" * 10_000)

    with pytest.raises(GanProbeError, match="it raised ValueError: x+ ...") as caught:
        fails()
    assert len(str(caught.value)) < MAX_TOLD + 100
    assert told(AssertionError()) == "AssertionError"
