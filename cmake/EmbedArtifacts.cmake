# cmake -DOUTPUT=file.cpp -DARTIFACTS="a.json;b.json" -P EmbedArtifacts.cmake
# Writes the contracts' artefacts as string literals (src/chain/artifacts.hpp). Literals are cut in
# pieces: compilers bound the length of one.
set(content "// Generated from contracts/artifacts.\n\n#include \"chain/artifacts.hpp\"\n\n")
string(APPEND content "namespace millrace::chain {\nnamespace {\n\n")
set(table "")
foreach(file IN LISTS ARTIFACTS)
    get_filename_component(name "${file}" NAME_WE)
    file(READ "${file}" text)
    # Indentation says nothing to the program.
    string(REGEX REPLACE "\n *" "\n" text "${text}")
    string(LENGTH "${text}" size)
    string(APPEND content "constexpr std::string_view ${name}_json =\n")
    set(offset 0)
    while(offset LESS size)
        string(SUBSTRING "${text}" ${offset} 8000 piece)
        string(APPEND content "R\"artefact(${piece})artefact\"\n")
        math(EXPR offset "${offset} + 8000")
    endwhile()
    string(APPEND content ";\n\n")
    string(APPEND table "        {\"${name}\", ${name}_json},\n")
endforeach()
string(APPEND content "}  // namespace\n\nconst std::vector<Artifact>& artifacts() {\n"
    "    static const std::vector<Artifact> all = {\n${table}    };\n    return all;\n}\n\n"
    "}  // namespace millrace::chain\n")
file(WRITE "${OUTPUT}" "${content}")
