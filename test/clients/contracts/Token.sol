// SPDX-License-Identifier: Apache-2.0
// Copyright the Millrace authors.
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// A token as most are, and one function for each way in which a call can fail.
contract Token is ERC20 {
    error Refused(address who, uint256 wanted, string why);

    /// Indexed and plain, fixed and dynamic: what a client has to decode.
    event Noted(address indexed who, string indexed topic, string text, int64 number, bytes data);

    uint256[] private numbers;
    uint256 public calls;

    constructor(string memory name_, string memory symbol_, uint256 supply) ERC20(name_, symbol_) {
        _mint(msg.sender, supply);
    }

    function note(string calldata topic, string calldata text, int64 number, bytes calldata data) external {
        emit Noted(msg.sender, topic, text, number, data);
    }

    function failWithReason(string calldata why) external {
        ++calls;
        revert(why);
    }

    function failWithError(uint256 wanted) external {
        ++calls;
        revert Refused(msg.sender, wanted, "more than there is");
    }

    function failWithPanic(uint256 index) external returns (uint256) {
        ++calls;
        return numbers[index];
    }

    function failWithNothing() external {
        ++calls;
        assembly {
            revert(0, 0)
        }
    }

    function failWithInvalid() external {
        ++calls;
        assembly {
            invalid()
        }
    }
}
