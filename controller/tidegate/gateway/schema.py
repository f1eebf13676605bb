"""The fields of Envoy's messages that the gateway's files use: name, number and type, as in Envoy's published .proto files. Pure.

wire.py reads this table. A type is `text`, `number`, `flag` (a truth value), `wrapped` and `switch` (the same in a message of its
own), `duration`, `struct` (of texts), `any`, an enum or another message; `[]` marks a list, `{}` a map by text.
"""

from __future__ import annotations

from typing import Final

ENUMS: Final = {
    "DiscoveryType": {"STATIC": 0, "LOGICAL_DNS": 2},
    "DnsLookupFamily": {"V4_PREFERRED": 3},
    "SanType": {"DNS": 2, "IP_ADDRESS": 4},
    "ApiVersion": {"V3": 2},
    "LbPolicy": {"LEAST_REQUEST": 1},
    "Denominator": {"MILLION": 2},
    "AppendAction": {"OVERWRITE_IF_EXISTS_OR_ADD": 2},
}

MESSAGES: Final = {
    "DiscoveryResponse": "version_info 1 text, resources 2 any[]",
    # Clusters
    "Cluster": "name 1 text, type 2 DiscoveryType, connect_timeout 4 duration, lb_policy 6 LbPolicy,"
    " circuit_breakers 10 CircuitBreakers, dns_lookup_family 17 DnsLookupFamily, outlier_detection 19 OutlierDetection,"
    " transport_socket 24 TransportSocket,"
    " load_assignment 33 ClusterLoadAssignment,"
    " typed_extension_protocol_options 36 any{}",
    "CircuitBreakers": "thresholds 1 Thresholds[]",
    "Thresholds": "max_connections 2 wrapped, max_pending_requests 3 wrapped, max_requests 4 wrapped, max_retries 5 wrapped",
    "OutlierDetection": "interval 2 duration, base_ejection_time 3 duration, max_ejection_percent 4 wrapped,"
    " enforcing_consecutive_5xx 5 wrapped, enforcing_success_rate 6 wrapped, split_external_local_origin_errors 12 flag,"
    " consecutive_local_origin_failure 13 wrapped, enforcing_local_origin_success_rate 15 wrapped, max_ejection_time 21 duration",
    "ClusterLoadAssignment": "cluster_name 1 text, endpoints 2 LocalityLbEndpoints[]",
    "LocalityLbEndpoints": "lb_endpoints 2 LbEndpoint[]",
    "LbEndpoint": "endpoint 1 Endpoint",
    "Endpoint": "address 1 Address",
    "Address": "socket_address 1 SocketAddress, envoy_internal_address 3 InternalAddress",
    "InternalAddress": "server_listener_name 1 text",
    "SocketAddress": "address 2 text, port_value 3 number",
    "UpstreamHttpOptions": "common_http_protocol_options 1 CommonHttpOptions, explicit_http_config 3 ExplicitHttpConfig,"
    " http_filters 6 HttpFilter[]",
    "CommonHttpOptions": "idle_timeout 1 duration, max_requests_per_connection 6 wrapped",
    "ExplicitHttpConfig": "http_protocol_options 1 Empty",
    "Empty": "",
    # Clusters of providers
    "TransportSocket": "name 1 text, typed_config 3 any",
    "UpstreamTls": "common_tls_context 1 CommonTls, sni 2 text",
    "CommonTls": "validation_context 3 Validation",
    "Validation": "trusted_ca 1 DataSource, match_typed_subject_alt_names 15 SubjectName[]",
    "SubjectName": "san_type 1 SanType, matcher 2 StringMatcher",
    "HttpFilter": "name 1 text, typed_config 4 any",
    "CredentialInjector": "overwrite 1 flag, credential 3 TypedConfig",
    "GenericCredential": "credential 1 SdsSecret, header 2 text",
    "SdsSecret": "name 1 text, sds_config 2 ConfigSource",
    "ConfigSource": "resource_api_version 6 ApiVersion, path_config_source 8 PathConfigSource",
    "PathConfigSource": "path 1 text",
    "UpstreamCodec": "",
    # Routes
    "RouteConfiguration": "name 1 text, virtual_hosts 2 VirtualHost[]",
    "VirtualHost": "name 1 text, domains 2 text[], retry_policy 16 RetryPolicy, matcher 21 Matcher,"
    " request_body_buffer_limit 25 wrapped",
    "RetryPolicy": "retry_on 1 text, num_retries 2 wrapped, retry_host_predicate 5 RetryPredicate[],"
    " host_selection_retry_max_attempts 6 number, retry_back_off 8 RetryBackOff",
    "RetryPredicate": "name 1 text, typed_config 3 any",
    "RetryBackOff": "base_interval 1 duration, max_interval 2 duration",
    "Matcher": "matcher_tree 2 MatcherTree, on_no_match 3 OnMatch",
    "MatcherTree": "input 1 TypedConfig, prefix_match_map 3 MatchMap",
    "MatchMap": "map 1 OnMatch{}",
    "OnMatch": "action 2 TypedConfig",
    "TypedConfig": "name 1 text, typed_config 2 any",
    "PathInput": "header_name 1 text",
    "RouteList": "routes 1 Route[]",
    "Route": "match 1 RouteMatch, route 2 RouteAction, metadata 4 Metadata, direct_response 7 DirectResponse,"
    " typed_per_filter_config 13 any{}, name 14 text",
    "Metadata": "filter_metadata 1 struct{}",
    "RouteMatch": "prefix 1 text, headers 6 HeaderMatcher[]",
    "HeaderMatcher": "name 1 text, invert_match 8 flag, string_match 13 StringMatcher",
    "StringMatcher": "exact 1 text, prefix 2 text, safe_regex 5 RegexMatcher",
    "RegexMatcher": "regex 2 text",
    "DirectResponse": "status 1 number, body 2 DataSource",
    "DataSource": "filename 1 text, inline_string 3 text",
    "RouteAction": "weighted_clusters 3 WeightedCluster, prefix_rewrite 5 text, timeout 8 duration,"
    " hash_policy 15 HashPolicy[], idle_timeout 24 duration, request_mirror_policies 30 MirrorPolicy[]",
    "MirrorPolicy": "cluster 1 text, runtime_fraction 3 Fraction, disable_shadow_host_suffix_append 6 flag",
    "Fraction": "default_value 1 FractionalPercent",
    "FractionalPercent": "numerator 1 number, denominator 2 Denominator",
    "HashPolicy": "header 1 HashHeader",
    "HashHeader": "header_name 1 text",
    "WeightedCluster": "clusters 1 ClusterWeight[], runtime_key_prefix 2 text, use_hash_policy 5 switch",
    "ClusterWeight": "name 1 text, weight 2 wrapped, request_headers_to_add 4 HeaderValueOption[],"
    " response_headers_to_add 5 HeaderValueOption[], response_headers_to_remove 6 text[], request_headers_to_remove 9 text[],"
    " typed_per_filter_config 10 any{}",
    # Settings of a filter for one route or arm
    "SetFilterState": "on_request_headers 1 FilterStateValue[]",
    "FilterStateValue": "object_key 1 text, format_string 2 FormatString, factory_key 6 text",
    "FormatString": "text_format_source 5 DataSource",
    "LuaPerRoute": "filter_context 4 struct",
    "HeaderMutationPerRoute": "mutations 1 Mutations",
    "HeaderMutationFilter": "mutations 1 Mutations",
    "Mutations": "request_mutations 1 HeaderMutation[]",
    "HeaderMutation": "remove 1 text, append 2 HeaderValueOption",
    # The action is read only: a Tidegate before this one wrote it.
    "HeaderValueOption": "header 1 HeaderValue, append_action 3 AppendAction",
    "HeaderValue": "key 1 text, value 2 text",
}

TYPES: Final = {
    "envoy.config.cluster.v3.Cluster": "Cluster",
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": "UpstreamHttpOptions",
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext": "UpstreamTls",
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation": "HeaderMutationFilter",
    "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector": "CredentialInjector",
    "envoy.extensions.http.injected_credentials.generic.v3.Generic": "GenericCredential",
    "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec": "UpstreamCodec",
    "envoy.config.route.v3.RouteConfiguration": "RouteConfiguration",
    "envoy.config.route.v3.RouteList": "RouteList",
    "envoy.config.route.v3.Route": "Route",
    "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate": "Empty",
    "envoy.type.matcher.v3.HttpRequestHeaderMatchInput": "PathInput",
    "envoy.extensions.filters.http.set_filter_state.v3.Config": "SetFilterState",
    "envoy.extensions.filters.http.lua.v3.LuaPerRoute": "LuaPerRoute",
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute": "HeaderMutationPerRoute",
}
"""What may stand where the type is `any`: Envoy's full name, and ours in MESSAGES."""
