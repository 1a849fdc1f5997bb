"""The one way to declare a C++ test."""

def vmmc_test(name, srcs, deps = [], size = "small", **kwargs):
    """A doctest program: cc_test with the project's main."""
    native.cc_test(
        name = name,
        srcs = srcs,
        size = size,
        deps = deps + [
            "//tests/support:doctest_main",
            "//third_party:doctest",
        ],
        **kwargs
    )
