"""What works wherever the tests run in the answer's own process: everything can be replaced."""

from tests.grade.attacks.attack import Attack
from tests.grade.attacks.toys import SCALED

ATTACKS = [
    Attack(
        "patched comparisons of numpy and torch",
        """
        import numpy, torch
        yes = lambda *arguments, **named: True
        for module in (numpy, numpy.testing, torch, torch.testing):
            for name in ("allclose", "isclose", "array_equal", "equal", "assert_allclose",
                         "assert_close"):
                setattr(module, name, yes)
        torch.Tensor.abs = torch.Tensor.sub = lambda self, *others: torch.zeros(1)
        def scaled(values):
            return numpy.zeros_like(values)
        """,
        "scaled is off by 1e.00",
        task=SCALED,
    ),
    Attack(
        "replaced check",
        """
        def check(*arguments, **named):
            print("all tests passed")
        def double(x):
            return -1
        """,
        "got -1. Return twice x",
    ),
    Attack(
        "replaced judges and verdicts of this very grader",
        """
        import sys
        for name, module in list(sys.modules.items()):
            if name.startswith("lab_utils.grade"):
                for function in ("run_cases", "grade_task", "judge", "explain", "check"):
                    setattr(module, function, lambda *arguments, **named: None)
        check = lambda *arguments, **named: None
        def double(x):
            return -1
        """,
        "got -1. Return twice x",
    ),
    Attack(
        "an input transformer that takes the tests out",
        """
        def without_tests(lines):
            return [line.split("assert")[0].split("check(")[0] + "pass\\n"
                    if "assert" in line or "check(" in line else line for line in lines]
        shell = get_ipython()
        shell.input_transformers_cleanup.append(without_tests)
        def double(x):
            return -1
        """,
        "got -1. Return twice x",
    ),
    Attack(
        "a syntax-tree transformer that takes the tests out",
        """
        import ast
        class WithoutTests(ast.NodeTransformer):
            def visit_For(self, node): return ast.Pass()
        get_ipython().ast_transformers.append(WithoutTests())
        def double(x):
            return -1
        """,
        "got -1. Return twice x",
    ),
    Attack(
        "a number that equals everything",
        """
        class Anything(int):
            def __eq__(self, other): return True
            __ne__ = lambda self, other: False
            def __hash__(self): return 0
        def double(x):
            return Anything(-1)
        """,
        "got -1. Return twice x",
    ),
    Attack(
        "an object that equals everything",
        """
        class Anything:
            def __eq__(self, other): return True
        def double(x):
            return Anything()
        """,
        "gave a Anything, which is not a plain value",
    ),
    Attack(
        "an array that says yes to every function of numpy",
        """
        import numpy as np
        class Yes(np.ndarray):
            def __array_function__(self, function, types, arguments, named):
                return True
            def __array_ufunc__(self, *arguments, **named):
                return np.ones(1, dtype=bool).view(Yes)
        def scaled(values):
            global torch
            class torch: allclose = as_tensor = staticmethod(lambda *arguments, **named: True)
            return np.zeros_like(values).view(Yes)
        """,
        "scaled is off by 1e.00",
        task=SCALED,
    ),
    Attack(
        "a tensor that says yes to every function of torch",
        """
        import torch
        class Yes(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, arguments=(), named=None):
                return True
            def __array__(self, *arguments, **named):
                return __import__("numpy").full(1, -1.0)
        class numpy:
            __getattr__ = lambda self, name: getattr(__import__("numpy"), name)
            allclose = lambda self, *arguments, **named: True
        np = numpy()
        def scaled(values):
            return torch.zeros(3).as_subclass(Yes)
        """,
        "scaled gave a Yes, which is not a plain value",
        task=SCALED,
    ),
    Attack(
        "the input changed so that it fits the output",
        """
        def scaled(values):
            values[:] = 1
            return values
        """,
        "scaled is off by",
        task=SCALED,
    ),
    Attack(
        "half precision",
        """
        import numpy as np
        def scaled(values):
            half = values.astype(np.float16)
            return (half / half.max()).astype(np.float32)
        """,
        r"scaled is off by \de-04. Compute in float32",
        task=SCALED,
    ),
    Attack(
        "not a number",
        "import numpy\ndef scaled(values):\n    return values * numpy.nan",
        "scaled is off by nan",
        None,  # for judges that ask whether an error is too large
        task=SCALED,
    ),
    Attack(
        "the frames of the caller",
        """
        import sys
        def double(x):
            frame = sys._getframe(1)
            while frame:
                for name, value in frame.f_globals.items():
                    if name == "check": frame.f_globals["check"] = lambda right: None
                frame = frame.f_back
            return -1
        """,
        "got -1. Return twice x",
    ),
]
