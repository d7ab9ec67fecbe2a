// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
pragma solidity 0.8.37;

/// A payout address (or payer) that calls back while it is being paid, and keeps what it is paid.
contract Reentrant {
    address public target;
    bytes public data;
    uint256 public attempts;
    uint256 public successes;
    bool public refusing;

    error NoThanks();

    function refuse(bool refusing_) external {
        refusing = refusing_;
    }

    function arm(address target_, bytes calldata data_) external {
        target = target_;
        data = data_;
    }

    /// Acts as this contract: registers, deposits, withdraws …
    function execute(address to, bytes calldata input) external payable {
        (bool ok, bytes memory answer) = to.call{value: msg.value}(input);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    receive() external payable {
        if (refusing) revert NoThanks();
        if (target == address(0)) return;
        ++attempts;
        (bool ok,) = target.call(data);
        if (ok) ++successes;
    }
}

/// A payout address that refuses coins, in the words of the contract that pays.
contract Refusing {
    error VoucherNotSignedByPayer(address recovered);

    receive() external payable {
        revert VoucherNotSignedByPayer(address(this));
    }
}

/// Burns all gas it is given when it is paid.
contract Burning {
    receive() external payable {
        while (true) {}
    }
}

/// Answers with as many bytes as its gas buys; whoever copies them pays for them too.
contract Verbose {
    receive() external payable {
        assembly ("memory-safe") {
            revert(0, 400000)
        }
    }
}
