"""The one way to declare a C++ test."""

def vmmc_test(name, srcs, deps = [], size = "small", executors = [], models = [], **kwargs):
    """A doctest program: cc_test with the project's main.

    Args:
      models: timing models. A test NAME_simulated_MODEL for each, in simulated time, goes with those of `executors`.
      executors: what $VMMC_EXECUTOR is to be, of "nic", "auto" and "host". The program is built once, and there is a
        test NAME_EXECUTOR for each; NAME is all of them.
    """
    all_deps = deps + [
        "//tests/support:doctest_main",
        "//third_party:doctest",
    ]
    if not executors and not models:
        native.cc_test(name = name, srcs = srcs, size = size, deps = all_deps, **kwargs)
        return
    native.cc_library(
        name = name + "_cases",
        testonly = True,
        srcs = srcs,
        deps = all_deps,
        alwayslink = True,
    )
    for executor in executors:
        native.cc_test(
            name = name + "_" + executor,
            size = size,
            env = {"VMMC_EXECUTOR": executor},
            deps = [":" + name + "_cases"],
            **kwargs
        )
    for model in models:
        native.cc_test(
            name = name + "_simulated_" + model,
            size = size,
            env = {"VMMC_TEST_MODEL": model},
            deps = [":" + name + "_cases"],
            **kwargs
        )
    native.test_suite(
        name = name,
        tests = [":" + name + "_" + executor for executor in executors] +
                [":" + name + "_simulated_" + model for model in models],
    )
