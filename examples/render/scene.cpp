// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
#include "scene.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace render {
namespace {

constexpr std::size_t file_size_max = 16U << 20;
constexpr std::size_t line_size_max = 4096;
constexpr std::size_t shape_count_max = 1'000'000;
constexpr int nesting_max = 8;

struct Line {
    int number = 0;
    std::vector<std::string> words;
};

// A rotation and a move; applied to everything inside a block.
struct Placement {
    Frame axes;  // images of the x, y and z axes
    Vec origin;

    Vec turn(const Vec& v) const { return axes.to_world(v); }
    Vec point(const Vec& p) const { return origin + turn(p); }
};

// Rodrigues' formula.
Vec turn_about(const Vec& v, const Vec& axis, double degrees) {
    const double c = cos_turn(degrees / 360.0);
    const double s = sin_turn(degrees / 360.0);
    return v * c + cross(axis, v) * s + axis * (dot(axis, v) * (1.0 - c));
}

Placement turned(const Placement& p, const Vec& axis, double degrees) {
    Placement out;
    out.origin = p.origin;
    out.axes = {p.turn(turn_about({1, 0, 0}, axis, degrees)),
                p.turn(turn_about({0, 1, 0}, axis, degrees)),
                p.turn(turn_about({0, 0, 1}, axis, degrees))};
    return out;
}

bool read_file(const std::string& path, std::string& text, std::string& why) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) {
        why = "cannot open '" + path + "': is it listed among the job's files?";
        return false;
    }
    char buffer[4096];
    std::size_t size = 0;
    while ((size = std::fread(buffer, 1, sizeof buffer, file)) > 0 &&
           text.size() <= file_size_max) {
        text.append(buffer, size);
    }
    const bool failed = std::ferror(file) != 0;
    std::fclose(file);
    if (failed) why = "cannot read '" + path + "'";
    if (text.size() > file_size_max) why = "'" + path + "' is larger than 16 MiB";
    return why.empty();
}

bool parse_number(const std::string& word, double& value) {
    char* end = nullptr;
    value = std::strtod(word.c_str(), &end);
    return !word.empty() && *end == '\0' && value > -1e12 && value < 1e12;
}

class Reader {
  public:
    Reader(Scene& scene, std::string& error) : scene_(scene), error_(error) {}

    bool read(const std::string& path, const Placement& placement, int depth) {
        std::string text;
        std::string why;
        if (!read_file(path, text, why)) {
            if (path_.empty()) {
                error_ = why;
                return false;
            }
            return fail(why);
        }
        const std::string outer = path_;
        const int outer_line = line_;
        path_ = path;
        std::vector<Line> lines;
        if (!split(text, lines) || !run(lines, 0, lines.size(), placement, depth)) return false;
        path_ = outer;
        line_ = outer_line;
        return true;
    }

  private:
    using Words = std::vector<std::string>;

    bool fail(const std::string& what) {
        error_ = path_ + ":" + std::to_string(line_) + ": " + what;
        return false;
    }

    bool split(const std::string& text, std::vector<Line>& lines) {
        std::size_t at = 0;
        for (line_ = 1; at < text.size(); ++line_) {
            std::size_t end = text.find('\n', at);
            if (end == std::string::npos) end = text.size();
            if (end - at > line_size_max) return fail("the line is longer than 4096 bytes");
            Line line{line_, {}};
            std::string word;
            for (std::size_t i = at; i <= end; ++i) {
                const char c = i < end ? text[i] : ' ';
                if (c == ' ' || c == '\t' || c == '\r' || c == '#') {
                    if (!word.empty()) line.words.push_back(word);
                    word.clear();
                    if (c == '#') break;
                } else {
                    word += c;
                }
            }
            if (!line.words.empty()) lines.push_back(line);
            at = end + 1;
        }
        return true;
    }

    bool run(const std::vector<Line>& lines, std::size_t first, std::size_t last,
             const Placement& placement, int depth) {
        if (depth > nesting_max) return fail("blocks or includes are nested more than 8 deep");
        for (std::size_t i = first; i < last; ++i) {
            line_ = lines[i].number;
            const Words& words = lines[i].words;
            if (words[0] == "end") return fail("'end' without a 'group' or 'ring' above it");
            if (words[0] == "group" || words[0] == "ring") {
                std::size_t close = i + 1;
                for (int open = 1; close < last; ++close) {
                    const std::string& w = lines[close].words[0];
                    if (w == "group" || w == "ring") ++open;
                    if (w == "end" && --open == 0) break;
                }
                if (close == last) return fail("this '" + words[0] + "' has no 'end'");
                if (!block(lines, i, close, placement, depth)) return false;
                i = close;
            } else if (!statement(words, placement, depth)) {
                return false;
            }
        }
        return true;
    }

    bool block(const std::vector<Line>& lines, std::size_t open, std::size_t close,
               Placement placement, int depth) {
        const Words& w = lines[open].words;
        if (w[0] == "ring") {
            double n[5] = {0, 0, 0, 0, 360};
            if (!numbers(w, 1, n, w.size() > 5 ? 5 : 4, "ring COUNT AX AY AZ [DEGREES]"))
                return false;
            const int count = static_cast<int>(clamp_of(n[0], 0, 100000));
            if (count < 1) return fail("a ring repeats at least once");
            const Vec axis = normalized({n[1], n[2], n[3]});
            for (int i = 0; i < count; ++i) {
                if (!run(lines, open + 1, close, turned(placement, axis, n[4] * i / count),
                         depth + 1))
                    return false;
            }
            return true;
        }
        for (std::size_t i = 1; i < w.size();) {
            double n[4];
            if (w[i] == "move" && numbers(w, i + 1, n, 3, "group move X Y Z")) {
                placement.origin = placement.point({n[0], n[1], n[2]});
                i += 4;
            } else if (w[i] == "turn" && numbers(w, i + 1, n, 4, "group turn AX AY AZ DEGREES")) {
                placement = turned(placement, normalized({n[0], n[1], n[2]}), n[3]);
                i += 5;
            } else {
                return error_.empty()
                           ? fail("a group takes 'move X Y Z' and 'turn AX AY AZ DEGREES', not '" +
                                  w[i] + "'")
                           : false;
            }
        }
        return run(lines, open + 1, close, placement, depth + 1);
    }

    bool numbers(const Words& words, std::size_t at, double* out, std::size_t count,
                 const char* usage) {
        for (std::size_t i = 0; i < count; ++i) {
            if (at + i >= words.size())
                return fail(std::string("too few numbers; write: ") + usage);
            if (!parse_number(words[at + i], out[i])) {
                return fail("'" + words[at + i] + "' is not a number; write: " + usage);
            }
        }
        return true;
    }

    bool length_is(const Words& words, std::size_t low, std::size_t high, const char* usage) {
        if (words.size() >= low && words.size() <= high) return true;
        return fail(std::string(words.size() < low ? "something is missing"
                                                   : "there is too much on this line") +
                    "; write: " + usage);
    }

    bool statement(const Words& w, const Placement& p, int depth) {
        const std::string& verb = w[0];
        if (verb == "picture") return picture(w);
        if (verb == "camera") return camera(w);
        if (verb == "sky") return sky(w);
        if (verb == "sun") return sun(w);
        if (verb == "texture") return texture(w);
        if (verb == "material") return material(w);
        if (verb == "include") {
            return length_is(w, 2, 2, "include FILE") && read(beside(w[1]), p, depth + 1);
        }
        if (verb == "mesh") return mesh(w, p);
        for (const char* shape : {"sphere", "box", "tube", "triangle", "quad", "plane"}) {
            if (verb == shape) return solid(w, p);
        }
        return fail("unknown word '" + verb +
                    "'; known: picture camera sky sun texture material sphere box tube triangle "
                    "quad plane mesh group "
                    "ring end include");
    }

    bool picture(const Words& w) {
        const char* usage = "picture WIDTH HEIGHT SAMPLES DEPTH";
        double n[4];
        if (!length_is(w, 5, 5, usage) || !numbers(w, 1, n, 4, usage)) return false;
        if (n[0] < 1 || n[0] > 16384 || n[1] < 1 || n[1] > 16384)
            return fail("a picture side is 1 to 16384 pixels");
        if (n[2] < 1 || n[2] > 4096) return fail("samples a pixel are 1 to 4096");
        if (n[3] < 1 || n[3] > 64) return fail("the path depth is 1 to 64");
        scene_.width = static_cast<int>(n[0]);
        scene_.height = static_cast<int>(n[1]);
        scene_.samples = static_cast<int>(n[2]);
        scene_.depth = static_cast<int>(n[3]);
        return true;
    }

    bool camera(const Words& w) {
        const char* usage = "camera EX EY EZ  TX TY TZ  DEGREES [APERTURE [FOCUS]]";
        double n[9] = {};
        if (!length_is(w, 8, 10, usage) || !numbers(w, 1, n, w.size() - 1, usage)) return false;
        scene_.camera = {{n[0], n[1], n[2]}, {n[3], n[4], n[5]}, n[6], n[7], n[8]};
        if (n[6] <= 0 || n[6] >= 170)
            return fail("the field of view is above 0 and below 170 degrees");
        if (length(scene_.camera.target - scene_.camera.eye) == 0)
            return fail("the camera looks at itself");
        if (scene_.camera.focus <= 0)
            scene_.camera.focus = length(scene_.camera.target - scene_.camera.eye);
        return true;
    }

    bool sky(const Words& w) {
        const char* usage = "sky  ZENITH-R G B  HORIZON-R G B [HAZE]";
        double n[7] = {};
        if (!length_is(w, 7, 8, usage) || !numbers(w, 1, n, w.size() - 1, usage)) return false;
        scene_.sky = {{n[0], n[1], n[2]}, {n[3], n[4], n[5]}, n[6]};
        return true;
    }

    bool sun(const Words& w) {
        const char* usage = "sun  X Y Z  R G B  DEGREES";
        double n[7];
        if (!length_is(w, 8, 8, usage) || !numbers(w, 1, n, 7, usage)) return false;
        if (n[6] < 0.05 || n[6] > 45) return fail("the sun's radius is 0.05 to 45 degrees");
        scene_.sun = {normalized({n[0], n[1], n[2]}), {n[3], n[4], n[5]}, cos_turn(n[6] / 360.0)};
        return true;
    }

    bool texture(const Words& w) {
        const char* usage = "texture NAME checker|marble|wood|swirl|speckle  R G B  R G B  SCALE";
        double n[7];
        if (!length_is(w, 10, 10, usage) || !numbers(w, 3, n, 7, usage)) return false;
        Texture t{TextureKind::solid, {n[0], n[1], n[2]}, {n[3], n[4], n[5]}, n[6]};
        if (w[2] == "checker") t.kind = TextureKind::checker;
        if (w[2] == "marble") t.kind = TextureKind::marble;
        if (w[2] == "wood") t.kind = TextureKind::wood;
        if (w[2] == "swirl") t.kind = TextureKind::swirl;
        if (w[2] == "speckle") t.kind = TextureKind::speckle;
        if (t.kind == TextureKind::solid)
            return fail("unknown texture '" + w[2] + "'; write: " + usage);
        if (t.scale <= 0) return fail("a texture's scale is above 0");
        scene_.textures.push_back(t);
        scene_.texture_names.push_back(w[1]);
        return true;
    }

    // A colour is three numbers or the name of a texture; moves `at` behind it.
    bool color(const Words& w, std::size_t& at, Texture& out, const char* usage) {
        double n[3];
        if (at < w.size() && !parse_number(w[at], n[0])) {
            for (std::size_t i = 0; i < scene_.textures.size(); ++i) {
                if (scene_.texture_names[i] != w[at]) continue;
                out = scene_.textures[i];
                ++at;
                return true;
            }
            return fail("unknown texture '" + w[at] + "': define it above with 'texture " + w[at] +
                        " ...'");
        }
        if (!numbers(w, at, n, 3, usage)) return false;
        out = Texture{};
        out.first = {n[0], n[1], n[2]};
        at += 3;
        return true;
    }

    bool material(const Words& w) {
        const char* usage =
            "material NAME lambert|polished|wax|metal|glass|light COLOR [ROUGHNESS|IOR]";
        if (!length_is(w, 4, 7, usage)) return false;
        Material m;
        m.name = w[1];
        if (w[2] == "lambert")
            m.kind = MaterialKind::lambert;
        else if (w[2] == "polished")
            m.kind = MaterialKind::polished;
        else if (w[2] == "wax")
            m.kind = MaterialKind::wax;
        else if (w[2] == "metal")
            m.kind = MaterialKind::metal;
        else if (w[2] == "glass")
            m.kind = MaterialKind::glass;
        else if (w[2] == "light")
            m.kind = MaterialKind::light;
        else
            return fail("unknown kind of material '" + w[2] + "'; write: " + usage);
        std::size_t at = 3;
        if (!color(w, at, m.color, usage)) return false;
        const bool takes_number = m.kind == MaterialKind::metal || m.kind == MaterialKind::glass;
        if (takes_number && at < w.size()) {
            double n = 0;
            if (!numbers(w, at++, &n, 1, usage)) return false;
            if (m.kind == MaterialKind::metal && (n < 0 || n > 1))
                return fail("a roughness is 0 to 1");
            if (m.kind == MaterialKind::glass && (n < 1 || n > 4))
                return fail("an index of refraction is 1 to 4");
            (m.kind == MaterialKind::metal ? m.roughness : m.ior) = n;
        }
        if (at != w.size())
            return fail(std::string("there is too much on this line; write: ") + usage);
        scene_.materials.push_back(m);
        return true;
    }

    bool find_material(const std::string& name, std::uint32_t& index) {
        for (std::size_t i = scene_.materials.size(); i-- > 0;) {
            if (scene_.materials[i].name == name) {
                index = static_cast<std::uint32_t>(i);
                return true;
            }
        }
        return fail("unknown material '" + name + "': define it above with 'material " + name +
                    " ...'");
    }

    bool add(Shape s) {
        if (scene_.shapes.size() >= shape_count_max) return fail("more than 1,000,000 shapes");
        s.seed = 0x51ed270bU * static_cast<std::uint32_t>(scene_.shapes.size() + 1);
        s.seed ^= s.seed >> 15;
        (s.kind == ShapeKind::plane ? scene_.planes : scene_.shapes).push_back(s);
        return true;
    }

    bool solid(const Words& w, const Placement& p) {
        struct Form {
            const char* name;
            std::size_t low, high;
            const char* usage;
        };
        static constexpr Form forms[] = {
            {"sphere", 4, 4, "sphere MATERIAL X Y Z RADIUS"},
            {"box", 6, 6, "box MATERIAL X Y Z  SIZE-X SIZE-Y SIZE-Z"},
            {"tube", 7, 8, "tube MATERIAL X Y Z  X Y Z  RADIUS [INNER-RADIUS]"},
            {"triangle", 9, 9, "triangle MATERIAL X Y Z  X Y Z  X Y Z"},
            {"quad", 9, 9, "quad MATERIAL CORNER-X Y Z  EDGE-X Y Z  EDGE-X Y Z"},
            {"plane", 6, 6, "plane MATERIAL X Y Z  NORMAL-X Y Z"},
        };
        for (const Form& form : forms) {
            if (w[0] != form.name) continue;
            double n[9] = {};
            Shape s;
            if (!length_is(w, form.low + 2, form.high + 2, form.usage) ||
                !find_material(w[1], s.material) || !numbers(w, 2, n, w.size() - 2, form.usage)) {
                return false;
            }
            return shape(w[0], n, p, s) && add(s);
        }
        return false;
    }

    bool shape(const std::string& name, const double* n, const Placement& p, Shape& s) {
        const Vec first = p.point({n[0], n[1], n[2]});
        s.center = first;
        if (name == "sphere") {
            s.frame = p.axes;
            s.extent = {n[3], n[3], n[3]};
            return n[3] > 0 || fail("a radius is above 0");
        }
        if (name == "box") {
            s.kind = ShapeKind::box;
            s.frame = p.axes;
            s.extent = {n[3] / 2, n[4] / 2, n[5] / 2};
            return (n[3] > 0 && n[4] > 0 && n[5] > 0) || fail("a box's sizes are above 0");
        }
        if (name == "tube") {
            const Vec last = p.point({n[3], n[4], n[5]});
            const double size = length(last - first);
            s.kind = ShapeKind::tube;
            s.center = (first + last) * 0.5;
            s.extent = {n[6], n[7], size / 2};
            if (size <= 0) return fail("a tube's two ends are the same point");
            if (n[6] <= 0 || n[7] < 0 || n[7] >= n[6])
                return fail("a tube's radius is above 0 and above its inner one");
            s.frame = frame_around((last - first) * (1.0 / size));
            return true;
        }
        if (name == "plane") {
            s.kind = ShapeKind::plane;
            s.frame = frame_around(normalized(p.turn({n[3], n[4], n[5]})));
            return true;
        }
        const bool quad = name == "quad";
        s.kind = ShapeKind::triangle;
        s.frame.u = quad ? p.turn({n[3], n[4], n[5]}) : p.point({n[3], n[4], n[5]}) - first;
        s.frame.v = quad ? p.turn({n[6], n[7], n[8]}) : p.point({n[6], n[7], n[8]}) - first;
        s.extent.x = quad ? 1 : 0;
        const Vec normal = cross(s.frame.u, s.frame.v);
        if (length(normal) < 1e-12) return fail("the " + name + " has no area");
        s.frame.w = normalized(normal);
        return true;
    }

    std::string beside(const std::string& name) const {
        const std::size_t slash = path_.rfind('/');
        return slash == std::string::npos || name[0] == '/' ? name
                                                            : path_.substr(0, slash + 1) + name;
    }

    // The vertices and faces of a Wavefront OBJ file; everything else in it is passed over.
    bool mesh(const Words& w, const Placement& p) {
        const char* usage = "mesh MATERIAL FILE.obj [SCALE]";
        Shape s;
        double scale = 1;
        if (!length_is(w, 3, 4, usage) || !find_material(w[1], s.material)) return false;
        if (w.size() == 4 && !numbers(w, 3, &scale, 1, usage)) return false;
        std::string text;
        std::string why;
        if (!read_file(beside(w[2]), text, why)) return fail(why);
        const std::string outer = path_;
        const int outer_line = line_;
        path_ = beside(w[2]);
        std::vector<Line> lines;
        if (!split(text, lines)) return false;
        std::vector<Vec> corners;
        for (const Line& line : lines) {
            line_ = line.number;
            double n[3];
            if (line.words[0] == "v") {
                if (!numbers(line.words, 1, n, 3, "v X Y Z")) return false;
                corners.push_back(p.point(Vec{n[0], n[1], n[2]} * scale));
            } else if (line.words[0] == "f" && !face(line.words, corners, s)) {
                return false;
            }
        }
        path_ = outer;
        line_ = outer_line;
        return true;
    }

    bool face(const Words& w, const std::vector<Vec>& corners, Shape s) {
        if (w.size() < 4 || w.size() > 64) return fail("a face has 3 to 63 corners");
        std::size_t index[64] = {};
        for (std::size_t i = 1; i < w.size(); ++i) {
            const long n = std::strtol(w[i].c_str(), nullptr, 10);
            if (n < 1 || static_cast<std::size_t>(n) > corners.size()) {
                return fail("face corner '" + w[i] + "' is not among the vertices above");
            }
            index[i] = static_cast<std::size_t>(n - 1);
        }
        for (std::size_t i = 2; i + 1 < w.size(); ++i) {
            s.kind = ShapeKind::triangle;
            s.center = corners[index[1]];
            s.frame.u = corners[index[i]] - s.center;
            s.frame.v = corners[index[i + 1]] - s.center;
            s.extent.x = 0;
            const Vec normal = cross(s.frame.u, s.frame.v);
            if (length(normal) < 1e-14) continue;
            s.frame.w = normalized(normal);
            if (!add(s)) return false;
        }
        return true;
    }

    Scene& scene_;
    std::string& error_;
    std::string path_;
    int line_ = 0;
};

}  // namespace

bool read_scene(const std::string& path, Scene& scene, std::string& error) {
    Reader reader(scene, error);
    if (!reader.read(path, Placement{}, 0)) return false;
    if (scene.shapes.empty() && scene.planes.empty()) {
        error = path + ": the scene is empty: add at least one shape";
        return false;
    }
    return true;
}

}  // namespace render
