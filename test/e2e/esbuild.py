# SPDX-License-Identifier: Apache-2.0
# Copyright the Millrace authors.
"""A module nobody here wrote, unchanged: esbuild's WASI build minifies a real npm package on a network,
one file a task, and every output is byte-identical to the same module's under node's own WASI."""

import shutil
import subprocess

from harness import LONG, SOURCE, Network, Skip, check, main, say, scratch, tree

JOB = SOURCE / "examples/esbuild/job.toml"
MODULE = SOURCE / "contracts/node_modules/@esbuild/wasi-preview1/esbuild.wasm"
# Each file costs about a second; a sample shows the same law.
SAMPLE = None if LONG else "../../contracts/node_modules/preact/src/*.js"


def test():
    node = shutil.which("node")
    if node is None or not MODULE.exists():
        raise Skip("npm packages are not installed: run contracts/install.sh")
    job = JOB
    if SAMPLE is not None:
        text = JOB.read_text()
        begin = text.index("for = [")
        end = text.index("]", begin)
        job = JOB.parent / "job-sample.toml.test"
        job.write_text(text[:begin] + f'for = ["{SAMPLE}"' + text[end:])
    try:
        with Network("--providers", 3, "--fault", "1:wrong-result=0.5") as network:
            result, out, summary = network.run(job=job, timeout=500)
            check(result.code == 0, f"the job failed: {result}")
            check(summary["money"]["conserved"], f"money is lost: {summary['money']}")
        expected = scratch("expected")
        subprocess.run([node, str(SOURCE / "test/interop/esbuild_node.mjs"), str(job),
                        str(expected)], check=True, timeout=500)
    finally:
        if job != JOB:
            job.unlink()
    check(tree(expected) == tree(out), "outputs differ from node's WASI")
    say(f"{summary['done']} files byte-identical to node's WASI, "
        f"{summary['contradictions']} lies caught")


main(test)
