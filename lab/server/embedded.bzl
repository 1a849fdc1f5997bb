"""Files of the lab in the program: at run time it needs none."""

def embedded_scenes(name, srcs, function):
    """A source file NAME.cc that defines `function`, declared in scene_library.h or beside a test, over the scenes `srcs`."""
    native.genrule(
        name = name + "_source",
        srcs = srcs,
        outs = [name + ".cc"],
        cmd = """{
  echo '#include "lab/server/scene_library.h"'
  echo 'namespace vmmc::lab {'
  echo 'const std::vector<SceneText>& %s();'
  echo 'const std::vector<SceneText>& %s() {'
  echo '  static const std::vector<SceneText> kScenes{'
  for file in $(SRCS); do
    printf '{"%%s", R"VMMCSCENE(' "$$(basename "$$file")"
    cat "$$file"
    echo ')VMMCSCENE"},'
  done
  echo '  };'
  echo '  return kScenes;'
  echo '}'
  echo '}  // namespace vmmc::lab'
} > $@""" % (function, function),
    )
