import sys
from subprocess import run

import agentlanes_tools
import pytest


def test_exports_are_sorted_and_real():
    assert agentlanes_tools.__all__ == sorted(agentlanes_tools.__all__)
    assert set(agentlanes_tools._HOMES) == set(agentlanes_tools.__all__)
    for name in agentlanes_tools.__all__:
        assert getattr(agentlanes_tools, name).__module__
        assert name in dir(agentlanes_tools)
    with pytest.raises(AttributeError, match="nothing"):
        _ = agentlanes_tools.nothing


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys, agentlanes_tools as t; light = 'langchain_core' not in sys.modules;"
        "t.calculate, t.check_equivalence, t.FolderIndex, t.Outbox;"
        "sys.exit(not light or bool({'z3', 'numpy', 'wordllama'} & set(sys.modules)))"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_package_names_its_extra(tmp_path):
    code = (
        "import sys; sys.modules |= dict.fromkeys(['z3', 'numpy', 'wordllama']);"
        "import agentlanes_tools as t; from agentlanes.errors import MissingExtra\n"
        "for call in (lambda: t.FolderIndex.build(sys.argv[1]), t.WordLlamaEmbedder,"
        " lambda: t.prove_equal('1', '1', {})):\n"
        "    try: call()\n"
        "    except MissingExtra as error: assert error.extra == 'tools', error\n"
        "    else: raise SystemExit(1)\n"
    )
    assert run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0


@pytest.mark.parametrize("set_up", ["", "logging.basicConfig(level=logging.ERROR);"])
def test_loading_word_vectors_leaves_logging_as_it_was(set_up):
    pytest.importorskip("wordllama")
    code = (
        f"import logging, sys; {set_up}"
        "root = logging.getLogger(); before = (root.level, root.handlers[:]);"
        "from agentlanes_tools import WordLlamaEmbedder as W;"
        "first = len(W().embed(['x'])[0]), len(W().embed(['x'])[0]);"
        "logging.getLogger('anything').info('said');"
        "sys.exit(before != (root.level, root.handlers) or first != (256, 256))"
    )
    done = run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
