"""Linux boards to deploy to: real systems of other processors behind real SSH servers, on this machine.

``fixtures.py`` has them for tests, ``board.py`` says what can be done with one::

    def test_a_full_board_keeps_what_it_runs(fresh_board):
        board = fresh_board("pi-arm64")              # or pi-armhf, pi-zero, board-systemd
        install(board)                               # edge-lstm there, as pip leaves it
        board.run("edge-lstm --version")             # through ssh
        ["ssh", "-F", board.ssh_config, board.name]  # what a program under test is given
        board.fill_disk(); board.kill("edge-lstm stream"); (board.home / "file").read_bytes()

What is emulated is the processor: QEMU runs the board's own programs on this machine's kernel, so no time
measured there is a board's. The SSH server of a Pi is this machine's; that of ``board-systemd`` is its own.
"""
