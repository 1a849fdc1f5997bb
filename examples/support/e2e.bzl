"""An end-to-end test of an example: its script gets vmmcrun, and the files named in `data`, by their paths."""

def e2e_test(name, script, data):
    """Runs `script VMMCRUN DATA...` with VMMC_NICSIM set.

    Args:
      name: of the test.
      script: the shell script.
      data: labels of one file each; their paths become the script's arguments, in this order.
    """
    native.sh_test(
        name = name,
        size = "small",
        srcs = [script],
        args = [
            "$(rootpath //nicsim)",
            "$(rootpath //tools/vmmcrun)",
        ] + ["$(rootpath %s)" % label for label in data],
        data = [
            "//examples/support:e2e",
            "//nicsim",
            "//tools/vmmcrun",
        ] + data,
    )
